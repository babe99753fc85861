"""The gateway: takes the PROXY header for MTAs that cannot, and tells the milter who the client is.

Its modules are imported by the process that relays; `registry`, `identity` and
`refusal` by others, too: they know no event loop.
"""
