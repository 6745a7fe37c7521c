"""The local world of Mailbearer: identity providers, mail hosts, an inbox page, and the stack's local engine.

Nothing in here reaches a real provider or delivers a real message.
"""
