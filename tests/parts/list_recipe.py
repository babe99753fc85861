"""The ACLs of Exim's manual of 2014 that protect mailing lists, word for word, with a lookup for its placeholder."""

from __future__ import annotations

from pathlib import Path

RECIPE = """\
domainlist local_domains = here.test
hostlist local_hosts = 127.0.0.1
domainlist screwed_up_dmarc_records = screwed.test
begin acl
acl_check_rcpt:
  warn    domains        = +local_domains
          hosts          = +local_hosts
          control        = dmarc_disable_verify

  warn    !domains       = +screwed_up_dmarc_records
          control        = dmarc_enable_forensic

  warn    condition = ${lookup{$local_part@$domain}lsearch{LISTS}{1}{0}}
          set acl_m_mailing_list = 1
  accept

acl_check_data:
  warn    dmarc_status   = accept : none : off
          !authenticated = *
          log_message    = DMARC DEBUG: $dmarc_status $dmarc_used_domain
          add_header     = $dmarc_ar_header

  warn    dmarc_status   = !accept
          !authenticated = *
          log_message    = DMARC DEBUG: '$dmarc_status' for $dmarc_used_domain

  warn    dmarc_status   = quarantine
          !authenticated = *
          set $acl_m_quarantine = 1
          # Do something in a transport with this flag variable

  deny    condition      = ${if eq{$dmarc_domain_policy}{reject}}
          condition      = ${if eq{$acl_m_mailing_list}{1}}
          message        = Messages from $dmarc_used_domain break mailing lists

  deny    dmarc_status   = reject
          !authenticated = *
          message        = Message from $domain_used_domain failed sender's DMARC policy, REJECT
  accept
"""


def recipe(lists: Path) -> str:
    """The policy; *lists* has the addresses of lists, as keys of an lsearch file."""
    return RECIPE.replace("LISTS", str(lists))
