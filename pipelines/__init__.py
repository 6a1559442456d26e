"""PulseIQ: says whether a product is abnormal, whether it is bad data or changed behaviour, and which segment it is.

Data goes one way: contract -> bronze -> refine -> gold -> detect -> explain -> incidents. A package imports from its
left, never from its right; `platform` alone knows the environment (processes, S3, Kafka, Spark sessions).
"""
