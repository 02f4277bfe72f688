"""Google's services on this machine, a room for each: what makes its resources real, what runs, its API, its gate."""
