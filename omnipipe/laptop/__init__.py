"""The laptop cloud: runs the Pulumi program in-process and makes each of its resources real on this machine."""
