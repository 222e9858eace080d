"""What is kept in the broker's Redis: locks and their leases, who is alive, tokens, the audit log.

`connection` opens it, `timeouts` bounds every wait of every connection, `process` tells whether a holder is dead for sure.
"""
