"""OmniPipe, composed of the bricks: what there is, how it is wired, and the lists that are this platform's own."""
