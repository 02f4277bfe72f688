"""The pack, as `pulumi preview --policy-pack policy` starts it: it waits for what the engine asks."""

from pulumi_policy import PolicyPack

from policy.pack import POLICIES, configuration

PolicyPack("omnipipe", POLICIES, initial_config=configuration())
