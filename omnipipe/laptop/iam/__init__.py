"""Identity, enforced: who asks (``tokens``), what the program granted (``bindings``), and what a request needs.

- ``roles``: role -> permissions. Request -> permissions stands beside each route. All with their sources.
- ``gate``: the question that every service asks before it answers, and Google's words when the answer is no.
- ``control`` stands before the control services; BigQuery's gate and the front door of functions are in their rooms.
- ``metadata`` gives each workload its own account's tokens.
"""
