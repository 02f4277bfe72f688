"""Components of a data platform on Google Cloud, one a file; each can be used without the others."""
