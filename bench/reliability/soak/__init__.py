"""The soak: mixed traffic for long, while providers fail, the configuration changes and a worker is killed.

``arrivals`` says when calls come, ``mix`` what they ask for and what is promised to them, ``callers`` makes them in a
process of its own, ``provider`` answers, ``watch`` reads memory, descriptors and threads; ``course`` is what happens
when.
"""
