"""From a product's series to evidence and alerts: what is normal, how surprising each window is, when to speak.

Owns the statistics. Takes and returns pandas frames and numpy arrays; knows nothing of Spark sessions, S3, Kafka, or
of what a product's dimensions are called. The order of the data: grid -> profile -> level -> surprise -> calibration
(together the baseline) -> evaluate -> alerts.
"""

# Part of the key of every stored result: a window judged by another version of the rules is another result.
DETECTOR_VERSION = 5
