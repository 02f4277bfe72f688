"""The Pulumi program: the typed settings of a stack, and the composition."""
