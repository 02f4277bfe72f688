"""OmniPipe: one Pulumi program, run on Google Cloud or on this machine."""
