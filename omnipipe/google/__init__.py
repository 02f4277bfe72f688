"""A stack where it is deployed: what a person does with it at Google, by requests to Google's APIs."""
