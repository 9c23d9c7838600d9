"""A class on JupyterHub: its people, their folders and accounts, and the hub that serves them.

Everything that JupyterHub itself is needed for is imported where it is used.
"""
