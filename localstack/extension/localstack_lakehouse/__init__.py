"""MSK, EMR Serverless, Glue and MWAA on LocalStack's own port.

`providers` alone imports LocalStack; everything else is plain Python on plain dicts, as botocore's models name them.
It knows nothing of the project around it.
"""
