"""Our own Java for Spark, and the build of it without a Java compiler.

Delta's log store for many writers on S3; state that is not walked through in every micro-batch.
"""
