"""Delta's log store for many writers on S3: its Java source, and the build of it without a Java compiler."""
