"""Lookup types of Exim's that policyd does not offer, each with what to use instead."""

from __future__ import annotations

from policyd.language.registry import VOCABULARY, Kind

INSTEAD = {
    "its database files belong to one library and one version of it; `cdb` holds the same data": "dbm dbmjz dbmnz",
    "it is not offered: keep the data in a file (`lsearch`, `cdb`), in SQL or in Redis": "ldap ldapdn ldapm",
    "it is not offered: use `cdb`, or `redis`": "lmdb",
    "NIS is no longer in use: `passwd` asks for accounts, `lsearch` and `cdb` read files": "nis nis0 nisplus",
    "it is not offered: use `pgsql`, `mysql` or `sqlite`": "ibase oracle",
    "Whoson is no longer in use: keep the addresses in Redis": "whoson",
    "it exists only where Exim is tested": "testdb",
}

for reason, names in INSTEAD.items():
    VOCABULARY.refuse(Kind.LOOKUP, reason, *names.split())
