"""Every word of Exim's that a policy may need is there, under its name."""

from __future__ import annotations

import pytest
from parts.expanding import Expander

from policyd import words
from policyd.language.registry import Kind

VOCABULARY = words.load()

OFFERED = {
    Kind.CONDITION: """
        acl authenticated condition dkim_signers dkim_status dmarc_status dnslists domains encrypted hosts local_parts
        ratelimit recipients regex seen sender_domains senders spf spf_guess verify""",
    Kind.MODIFIER: """
        add_header continue control delay endpass log_message log_reject_target logwrite message remove_header set
        udpsend""",
    Kind.ITEM: """
        acl authresults env extract filter hash hmac if length listextract listquote lookup map nhash prvs prvscheck
        readfile readsocket reduce run sg sort srs_encode substr tr""",
    Kind.OPERATOR: """
        address addresses base32 base32d base62 base62d base64 base64d domain escape escape8bit eval eval10 expand
        from_utf8 h hash headerwrap hex2b64 hexquote ipv6denorm ipv6norm l lc length listcount listnamed local_part mask
        md5 nh nhash quote quote_local_part randint reverse_ip rfc2047 rfc2047d rxquote s sha1 sha2 sha256 sha3 stat
        str2b64 strlen substr time_eval time_interval uc utf8_domain_from_alabel utf8_domain_to_alabel
        utf8_localpart_from_alabel utf8_localpart_to_alabel utf8clean xtextd
        quote_lsearch quote_mysql quote_pgsql quote_redis quote_sqlite""",
    Kind.TEST: """
        < <= = == > >= acl and bool bool_lax crypteq def eq eqi exists first_delivery forall forall_json forall_jsons
        forany forany_json forany_jsons ge gei gt gti inbound_srs inlist inlisti isip isip4 isip6 le lei lt lti match
        match_address match_domain match_ip match_local_part or queue_running""",
    Kind.VARIABLE: """
        acl_narg acl_verify_message address_data authenticated_id authenticated_sender body_linecount body_zerocount
        dkim_algo dkim_bodylength dkim_canon_body dkim_canon_headers dkim_created dkim_cur_signer dkim_domain
        dkim_expires dkim_headernames dkim_identity dkim_key_granularity dkim_key_length dkim_key_nosubdomains
        dkim_key_notes dkim_key_srvtype dkim_key_testing dkim_selector dkim_signers dkim_verify_reason
        dkim_verify_signers dkim_verify_status dmarc_alignment_dkim dmarc_alignment_spf dmarc_domain_policy dmarc_status
        dmarc_status_text dmarc_used_domain dnslist_domain dnslist_matched dnslist_text dnslist_value domain domain_data
        exim_version headers_added host_data host_lookup_deferred host_lookup_failed interface_address interface_port
        item local_part local_part_data lookup_dnssec_authenticated max_received_linelength message_body
        message_body_end message_body_size message_exim_id message_headers message_headers_raw message_id
        message_linecount message_size pid prdr_requested primary_hostname prvscheck_address prvscheck_keynum
        prvscheck_result qualify_domain rcpt_count rcpt_defer_count rcpt_fail_count received_count received_ip_address
        received_port received_protocol received_time recipient_data recipients recipients_count recipients_list
        regex1 regex_match_string reply_address runrc sender_address sender_address_domain sender_address_local_part
        sender_data sender_fullhost sender_helo_dnssec sender_helo_name sender_helo_verified sender_host_address
        sender_host_authenticated sender_host_dnssec sender_host_name sender_host_port sender_ident sender_rate
        sender_rate_limit sender_rate_period sender_rcvhost sender_verify_failure smtp_active_hostname smtp_command
        smtp_command_argument smtp_command_history smtp_notquit_reason spf_header_comment spf_received spf_result
        spf_result_guessed spf_smtp_comment srs_recipient tls_bits tls_certificate_verified tls_cipher tls_in_bits
        tls_in_certificate_verified tls_in_cipher tls_in_peerdn tls_in_ver tls_peerdn tod_bsdinbox tod_epoch
        tod_epoch_l tod_full tod_log tod_logfile tod_zone tod_zulu value version_number""",
    Kind.LOOKUP: """
        cdb dnsdb dsearch iplsearch json lsearch mysql nwildlsearch passwd pgsql redis spf sqlite wildlsearch""",
}
PARSED = {  # by the parser or the reader of ACLs, for their grammar is their own
    Kind.CONDITION: "acl",
    Kind.MODIFIER: "endpass log_message message set",
    Kind.ITEM: "extract if lookup",
    Kind.TEST: "and def or",
}


@pytest.mark.parametrize("kind", OFFERED, ids=lambda kind: kind.name)
def test_offered(kind):
    wanted = set(OFFERED[kind].split()) - set(PARSED.get(kind, "").split())
    assert {name for name in wanted if VOCABULARY.find(kind, name) is None} == set()


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("${if and{{def:primary_hostname}{!or{{eq{a}{b}}{def:h_x:}}}}{${extract{2}{:}{a:b}}}}", "b"),
        ("${lookup{no one}lsearch{/etc/passwd}{y}{n}}", "n"),
        ("${mask_n:2001:db8:1::1/32}", "2001:db8::/32"),
        ("$1$acl_m_x$acl_c0$acl_arg1$acl_arg9", ""),
    ],
)
def test_parsed(text, answer):
    assert Expander()(text) == answer
