"""The source systems of the platform: the operational database, its data and traffic, simulated APIs."""
