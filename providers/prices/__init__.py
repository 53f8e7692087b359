"""What a model's tokens cost: from the figures in ``providers/models`` to ``Rates`` that count in nano-dollars.

``figures.py`` reads prices, ``schedule.py`` says which of them hold at a moment, ``lists.py`` finds a model's.
"""
