"""The real Pulumi engine and the real Google provider, run on a program against the control plane."""
