"""SASL (RFC 4422): what one exchange of each mechanism is made of, without input or output.

``steps`` has the steps of an exchange as data, ``mechanism`` the class that all mechanisms derive from, and
``table`` those that are built in. Each other module is one family of mechanisms. ``base64`` is the form in
which SMTP carries their octets. The verb AUTH is in `gen_smtp.protocol.verbs`.

Imports: `scramp`, when an exchange of SCRAM begins.
"""
