"""The web app: pages for people, the same answers as JSON, and metrics. It reads the lake and judges nothing.

What it shows is made below it, once, for the command line too. The one thing that it writes is what people say.
"""
