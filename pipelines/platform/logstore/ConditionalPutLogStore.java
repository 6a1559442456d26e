package dev.pulseiq.logstore;

import io.delta.storage.CloseableIterator;
import io.delta.storage.HadoopFileSystemLogStore;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.util.Iterator;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.s3a.S3AFileSystem;
import software.amazon.awssdk.awscore.AwsRequestOverrideConfiguration;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.model.PutObjectRequest;
import software.amazon.awssdk.services.s3.model.S3Exception;

/**
 * Delta's log on S3, safe for many writers: an entry is put with If-None-Match, so exactly one writer wins a version.
 *
 * Written for Janino: no lambdas, no diamonds, no try-with-resources.
 */
public class ConditionalPutLogStore extends HadoopFileSystemLogStore {
    private static final int CONFLICT_RETRIES = 10;

    public ConditionalPutLogStore(Configuration hadoopConf) {
        super(hadoopConf);
    }

    public void write(Path path, Iterator actions, Boolean overwrite, Configuration hadoopConf) throws IOException {
        StringBuilder text = new StringBuilder();
        while (actions.hasNext()) {
            text.append((String) actions.next()).append("\n");
        }
        byte[] body = text.toString().getBytes(StandardCharsets.UTF_8);
        S3AFileSystem s3a = (S3AFileSystem) path.getFileSystem(hadoopConf);
        if (overwrite.booleanValue()) {
            FSDataOutputStream out = s3a.create(path, true);
            out.write(body);
            out.close();
            return;
        }
        String key = s3a.pathToKey(s3a.makeQualified(path));
        AwsRequestOverrideConfiguration onlyIfAbsent =
            ((AwsRequestOverrideConfiguration.Builder) AwsRequestOverrideConfiguration.builder()
                .putHeader("If-None-Match", "*")).build();
        PutObjectRequest request = (PutObjectRequest) ((PutObjectRequest.Builder) PutObjectRequest.builder()
            .bucket(s3a.getBucket()).key(key).overrideConfiguration(onlyIfAbsent)).build();
        S3Client client = s3a.getS3AInternals().getAmazonS3Client("put a log entry that must not exist");
        for (int attempt = 0; ; attempt++) {
            try {
                client.putObject(request, RequestBody.fromBytes(body));
                return;
            } catch (S3Exception error) {
                if (error.statusCode() == 412) {
                    if (text.toString().equals(stored(path, hadoopConf))) {
                        return; // The answer to our own earlier try was lost: the entry is ours.
                    }
                    throw new FileAlreadyExistsException(path.toString());
                }
                if (error.statusCode() != 409 || attempt >= CONFLICT_RETRIES) {
                    throw new IOException(path + ": " + error.getMessage(), error);
                }
                pause(attempt);
            }
        }
    }

    public Boolean isPartialWriteVisible(Path path, Configuration hadoopConf) {
        return Boolean.FALSE;
    }

    private String stored(Path path, Configuration hadoopConf) throws IOException {
        CloseableIterator lines = read(path, hadoopConf);
        try {
            StringBuilder text = new StringBuilder();
            while (lines.hasNext()) {
                text.append((String) lines.next()).append("\n");
            }
            return text.toString();
        } finally {
            lines.close();
        }
    }

    private static void pause(int attempt) throws IOException {
        try {
            Thread.sleep(20L << Math.min(attempt, 5));
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            throw new IOException(interrupted);
        }
    }
}
