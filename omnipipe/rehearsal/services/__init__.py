"""The rules of each API that its document does not say; a file is found by the first label of the host."""
