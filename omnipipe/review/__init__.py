"""What a change of a Pulumi program does, told to those who decide on it: the comment of a pull request."""
