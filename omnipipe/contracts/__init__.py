"""What the infrastructure and the code that it packages agree on. Imports nothing of ours."""
