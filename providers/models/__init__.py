"""Facts about models: sizes, capabilities and prices, one JSON file a vendor.

The files are made by ``microgate models refresh`` and change with its sources only. ``matching.py`` finds the entry of
a model's name; who reads the files and when is the gateway's affair (``gateway/snapshot/facts.py``).
"""
