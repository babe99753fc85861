"""What Exim's expansions have and a milter cannot offer: why, and what to use instead."""

from __future__ import annotations

from policyd.language.registry import VOCABULARY, Kind

REFUSED: tuple[tuple[Kind, str, str], ...] = (
    (
        Kind.ITEM,
        "a milter is not given certificates; of a client's, $tls_in_peerdn is the subject",
        "certextract",
    ),
    (
        Kind.ITEM,
        "policyd loads no code of others into its processes; ${run} asks a program, ${readsocket} one that waits",
        "dlfunc perl",
    ),
    (Kind.ITEM, "there are no IMAP folders where mail is only judged", "imapfolder"),
    (
        Kind.TEST,
        "clients authenticate with the MTA: $authenticated_id and the condition authenticated say what came of it",
        "ldapauth pam pwcheck radius saslauthd",
    ),
    (
        Kind.VARIABLE,
        "this is known when a message is delivered, and policyd judges it before that",
        "address_file address_pipe bounce_recipient bounce_return_size_limit deliver_domain deliver_host"
        " deliver_host_address deliver_host_port deliver_localpart deliver_localpart_data dsn_ret home host"
        " host_address host_port initial_cwd inode local_part_prefix local_part_prefix_v local_part_suffix"
        " local_part_suffix_v local_user_gid local_user_uid lookup_dnssec_authenticated_host mailstore_basename"
        " message_age original_domain original_local_part originator_gid originator_uid parent_domain"
        " parent_local_part pipe_addresses qualify_recipient return_path return_size_limit router_name"
        " self_hostname thisaddress transport_name verify_mode warn_message_delay warn_message_recipients",
    ),
    (
        Kind.VARIABLE,
        "this is about connections that Exim makes; the client's are $tls_in_…",
        "sending_ip_address sending_port tls_out_bits tls_out_certificate_verified tls_out_cipher tls_out_cipher_std"
        " tls_out_dane tls_out_ocsp tls_out_ourcert tls_out_peercert tls_out_peerdn tls_out_resumption tls_out_sni"
        " tls_out_tlsa_usage tls_out_ver",
    ),
    (
        Kind.VARIABLE,
        "the MTA does not tell a milter; of TLS it tells $tls_in_ver, $tls_in_cipher, $tls_in_bits and $tls_in_peerdn",
        "tls_in_cipher_std tls_in_sni tls_sni",
    ),
    (
        Kind.VARIABLE,
        "the MTA does not tell a milter of authentication that fails; $authenticated_id is for the one that succeeds",
        "authenticated_fail_id authentication_failed",
    ),
    (
        Kind.VARIABLE,
        "recipients are verified by the MTA, which knows the routes: reject_unverified_recipient in Postfix",
        "recipient_verify_failure",
    ),
    (
        Kind.VARIABLE,
        "this is known when Exim looks for the route of an address, which is the MTA's business",
        "callout_address sender_address_data",
    ),
    (
        Kind.VARIABLE,
        "the MTA writes the Received: field, and gives messages their names",
        "connection_id localhost_number received_for",
    ),
    (
        Kind.VARIABLE,
        "this belongs to authenticators, queues and functions that an MTA has; $authenticated_id is who authenticated",
        "atrn_host atrn_mode auth1 auth2 auth3 local_scan_data",
    ),
    (
        Kind.VARIABLE,
        "the MTA counts and limits connections; the condition ratelimit counts those of a client over time",
        "smtp_count_at_connection_start",
    ),
    (
        Kind.VARIABLE,
        "this belongs to filters, and to Exim's command line; an ACL has $acl_m_… and $acl_c_… of its own",
        "caller_gid caller_uid n0 n1 n2 n3 n4 n5 n6 n7 n8 n9 sn0 sn1 sn2 sn3 sn4 sn5 sn6 sn7 sn8 sn9",
    ),
    (
        Kind.VARIABLE,
        "a milter is not given certificates; of a client's, $tls_in_peerdn is the subject",
        "tls_in_ocsp tls_in_ourcert tls_in_peercert tls_in_resumption",
    ),
    (
        Kind.VARIABLE,
        "this is about Exim's own queue, spool and configuration; the MTA has others",
        "compile_date compile_number config_dir config_file exim_gid exim_path exim_uid load_average log_inodes"
        " log_space queue_name queue_size spool_directory spool_inodes spool_space warnmsg_delay warnmsg_recipients",
    ),
    (
        Kind.VARIABLE,
        "policyd does not scan for spam or viruses; milters that do can run beside it",
        "malware_name spam_action spam_bar spam_report spam_score spam_score_int",
    ),
    (
        Kind.VARIABLE,
        "policyd does not take messages apart; the condition regex looks at the lines of the whole message",
        "mime_anomaly_level mime_anomaly_text mime_boundary mime_charset mime_content_description"
        " mime_content_disposition"
        " mime_content_id mime_content_size mime_content_transfer_encoding mime_content_type mime_decoded_filename"
        " mime_filename mime_is_coverletter mime_is_multipart mime_is_rfc822 mime_part_count",
    ),
    (
        Kind.VARIABLE,
        "Client SMTP Authorization was never adopted; the condition spf judges HELO names, too",
        "csa_status",
    ),
)
"""Each kind of word, with a sentence for whoever uses one of the names."""

for _kind, _reason, _names in REFUSED:
    VOCABULARY.refuse(_kind, _reason, *_names.split())
