"""The policy's word on those who connect to the gateway."""

from __future__ import annotations

from dataclasses import replace

from policyd.conversation import Conversation
from policyd.language.verdict import Outcome
from policyd.metrics import NoMetrics
from policyd.policy import Policy
from policyd.replies import rendered
from policyd.transaction import Client, Connection, Services, Transaction


class PolicyRules:
    """What a policy says about those who connect to the gateway. Satisfies `policyd.gateway.connection.Rules`."""

    def __init__(self, policy: Policy, services: Services) -> None:
        settings = policy.settings
        self.hostname = settings.primary_hostname
        self.header_timeout = settings.proxy_protocol_timeout
        self.idle_timeout = settings.gateway_idle_timeout
        self.most = settings.gateway_connections
        self.most_per_client = settings.gateway_connections_per_client
        self._policy = policy
        self._services = services

    def owes_header(self, client: Client) -> bool:
        """Whether *client* is one of ``hosts_proxy``. Raises `Defer`."""
        matches = self._policy.settings.hosts_proxy
        tx = Transaction(self._services, self._policy.settings, Connection(client))
        return matches is not None and matches(tx, client.address) is not None

    def greet(self, client: Client) -> list[str]:
        """What the connect ACL has against a balancer that has not proven itself: as in Exim, it runs."""
        talk = Conversation(self._policy, replace(self._services, metrics=NoMetrics()))
        reply = talk.connect(client)
        return [] if reply.outcome is Outcome.OK else rendered(reply)
