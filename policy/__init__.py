"""The policy pack: what every program of this project must hold to, told before anything is made.

`pulumi preview --policy-pack policy` runs it, and `omnipipe up` by itself. See docs/policies.md.
"""
