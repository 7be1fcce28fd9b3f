"""Sources: what is read from the outside, where a generator only plays it.

A source keeps a connection, checks what comes over it against the contract, and hands it to Kafka as bursts with
receipts. What it cannot use goes to the domain's dead letters.
"""
