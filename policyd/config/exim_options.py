"""Exim's main options that mean nothing to a milter: accepted, their values looked at, and without effect."""

from __future__ import annotations

from policyd.settings import Kind

NAMES = {
    Kind.BOOLEAN: """
        accept_8bitmime allow_domain_literals allow_insecure_tainted_data allow_mx_to_ip allow_utf8_domains
        bounce_return_body bounce_return_message check_rfc2047_length commandline_checks_require_admin debug_store
        deliver_drop_privilege delivery_date_remove disable_ipv6 dns_csa_use_reverse drop_cr
        envelope_to_remove extract_addresses_remove_arguments gnutls_allow_auto_pkcs11 gnutls_compat_mode
        gnutls_enable_pkcs11 ignore_fromline_local ldap_start_tls local_from_check local_sender_retain log_timezone
        message_logs move_frozen_messages mua_wrapper panic_coredump perl_at_start
        perl_taintmode prdr_enable preserve_message_logs print_topbitchars prod_requires_admin queue_fast_ramp
        queue_list_requires_admin queue_only queue_only_load_latch queue_only_override queue_run_in_order
        recipients_max_reject return_path_remove smtp_accept_keepalive smtp_check_spool_space smtp_enforce_sync
        smtp_etrn_serialize split_spool_directory spool_wireformat strip_excess_angle_brackets strip_trailing_dot
        syslog_duplication syslog_pid syslog_timestamp tcp_nodelay tls_remember_esmtp write_rejectlog
    """,
    Kind.FIXED: """
        deliver_queue_load_max queue_only_load smtp_load_reserve
    """,
    Kind.INTEGER: """
        bounce_return_linesize_limit bounce_return_size_limit check_log_inodes check_log_space check_spool_inodes
        check_spool_space daemon_startup_retries dns_cname_loops dns_csa_search_limit dns_dnssec_ok dns_retry
        dns_use_dnssec dns_use_edns0 finduser_retries header_line_maxsize header_maxsize ldap_version lookup_open_max
        max_username_length received_headers_max recipients_max remote_max_parallel
        slow_lookup_log smtp_accept_max smtp_accept_max_nonmail smtp_accept_queue smtp_accept_queue_per_connection
        smtp_accept_reserve smtp_backlog_monitor smtp_connect_backlog smtp_max_synprot_errors
        smtp_max_unknown_commands srs_hashlength srs_hashmin srs_maxage tls_dh_max_bits
    """,
    Kind.STRING: """
        acl_not_smtp acl_not_smtp_mime acl_not_smtp_start acl_smtp_atrn acl_smtp_auth acl_smtp_data_prdr
        acl_smtp_etrn acl_smtp_expn acl_smtp_mailauth acl_smtp_mime acl_smtp_starttls acl_smtp_vrfy acl_smtp_wellknown
        admin_groups auth_advertise_hosts av_scanner bi_command bmi_config_file bounce_message_file
        bounce_message_text bounce_sender_authentication callout_random_local_part chunking_advertise_hosts
        daemon_smtp_ports delay_warning_condition
        dns_again_means_nonexist
        dns_check_names_pattern dns_ipv4_lookup dns_trust_aa dsn_advertise_hosts dsn_from errors_copy errors_reply_to
        exim_group exim_path exim_user exim_version extra_local_interfaces freeze_tell gecos_name
        gecos_pattern gnutls_require_kx gnutls_require_mac gnutls_require_protocols headers_charset
        helo_accept_junk_hosts helo_allow_chars helo_lookup_domains helo_try_verify_hosts helo_verify_hosts
        hold_domains host_lookup host_lookup_order host_reject_connection hosts_connection_nolog
        hosts_require_alpn hosts_require_helo hosts_treat_as_local hosts_xclient ibase_servers ignore_fromline_hosts
        ldap_ca_cert_dir ldap_ca_cert_file ldap_cert_file ldap_cert_key ldap_cipher_suite
        ldap_default_servers ldap_require_cert limits_advertise_hosts local_from_prefix local_from_suffix
        local_interfaces local_scan_path localhost_number log_file_path message_id_header_domain
        message_id_header_text message_size_limit never_users notifier_socket openssl_options
        oracle_servers percent_hack_domains perl_startup pid_file_path pipelining_advertise_hosts
        pipelining_connect_advertise_hosts process_log_path qualify_recipient queue_domains
        queue_only_file queue_run_max queue_smtp_domains received_header_text recipient_unqualified_hosts
        remote_sort_domains rfc1413_hosts sender_unqualified_hosts smtp_accept_max_nonmail_hosts
        smtp_accept_max_per_connection smtp_accept_max_per_host smtp_active_hostname smtp_banner smtp_etrn_command
        smtp_ratelimit_hosts smtp_ratelimit_mail smtp_ratelimit_rcpt smtp_reserve_hosts smtputf8_advertise_hosts
        spamd_address spool_directory srs_config srs_secrets
        syslog_facility syslog_processname system_filter system_filter_directory_transport
        system_filter_file_transport system_filter_group system_filter_pipe_transport system_filter_reply_transport
        system_filter_user timezone tls_advertise_hosts tls_alpn tls_certificate tls_crl tls_dhparam
        tls_early_banner_hosts tls_eccurve tls_ocsp_file tls_on_connect_ports tls_privatekey tls_require_ciphers
        tls_resumption_hosts tls_try_verify_hosts tls_verify_certificates tls_verify_hosts trusted_groups
        trusted_users unknown_login unknown_username untrusted_set_sender uucp_from_pattern uucp_from_sender
        warn_message_file wellknown_advertise_hosts
    """,
    Kind.TIME: """
        auto_thaw callout_domain_negative_expire callout_domain_positive_expire callout_negative_expire
        callout_positive_expire daemon_startup_sleep delay_warning dns_retrans ignore_bounce_errors_after
        keep_malformed local_scan_timeout receive_timeout retry_data_expire retry_interval_max
        rfc1413_query_timeout smtp_receive_timeout timeout_frozen_after
    """,
}

WITHOUT_EFFECT = {name: kind for kind, names in NAMES.items() for name in names.split()}

FORMER_NAMES = {"proxy_required_hosts": "hosts_proxy", "tpda_event_action": "event_action"}
"""What options were called before."""

SELECTOR_NAMES = """
    8bitmime acl_warn_skipped address_rewrite all_parents arguments connection_id connection_reject
    delay_delivery deliver_time delivery_size dkim dkim_verbose dmarc dmarc_verbose dnslist_defer dnssec etrn
    host_lookup_failed ident_timeout incoming_interface incoming_port lost_incoming_connection millisec msg_id
    msg_id_created outgoing_interface outgoing_port pid pipelining protocol_detail proxy queue_run queue_time
    queue_time_exclusive queue_time_overall receive_time received_recipients received_sender rejected_header
    retry_defer return_path_on_delivery sender_on_delivery sender_verify_fail size_reject skip_delivery
    smtp_confirmation smtp_connection smtp_incomplete_transaction smtp_mailauth smtp_no_mail smtp_protocol_error
    smtp_syntax_error spf spf_verbose subject tls_certificate_verified tls_cipher tls_on_connect tls_peerdn
    tls_resumption tls_sni unknown_in_list
"""
SELECTORS = frozenset(SELECTOR_NAMES.split())
"""What ``log_selector`` may name."""
HEEDED_NAMES = "all incoming_interface incoming_port millisec pid proxy received_recipients received_sender subject"
HEEDED = frozenset(HEEDED_NAMES.split())
"""What changes something here."""
