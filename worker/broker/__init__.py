"""What is kept in the broker's Redis: locks and their leases, who is alive, tokens, the audit log.

Whoever works holds a `lock`, which has a thread renew its `lease`; `lease_scripts` is what the broker does then, and `process`
tells whether a holder is dead for sure. `envelope` says what a message of the queues must be, and `transport` takes nothing
else from them. `connection` opens the broker, `timeouts` bounds every wait of every connection, `bounded` how much is read of
what anybody may have put there.
"""
