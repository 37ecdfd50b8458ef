"""Recipient domain or MX host in, mailbox provider out.

The provider of a mail is who decides over it, so the receiving host goes before the
domain: a company's domain behind a hosted mailbox or a filter belongs to these. The
groups are data: ``groups.csv`` here, or the user's own file in the same columns.

The column ``evidence`` says where a row was seen: K KumoMTA's shaping files, S
Sisimai's host table, H Halon's examples, N a list on npm, G fingerprint code, C common
knowledge. No row was checked against DNS.
"""

from monitor.providers.matcher import OTHER, ProviderMatcher

__all__ = ["OTHER", "ProviderMatcher"]
