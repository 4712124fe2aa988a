"""Modules 2 to 5, the fitted models: one file each behind one Protocol. No kernel imports this package.

``panel`` is what every model sees, ``base`` the Protocol and what all agents share, ``registry`` the list of them. Heavy
libraries are imported when an agent is fitted or loaded, never by importing this package.
"""
