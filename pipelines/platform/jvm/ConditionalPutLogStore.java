package dev.pulseiq.logstore;

import io.delta.storage.CloseableIterator;
import io.delta.storage.HadoopFileSystemLogStore;
import io.delta.storage.internal.S3LogStoreUtil;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.s3a.S3AFileSystem;
import org.apache.hadoop.fs.s3a.S3AUtils;
import software.amazon.awssdk.awscore.AwsRequestOverrideConfiguration;
import software.amazon.awssdk.core.exception.SdkException;
import software.amazon.awssdk.core.exception.SdkServiceException;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.model.PutObjectRequest;

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
            text.append((String) actions.next()).append('\n');
        }
        S3AFileSystem s3a = (S3AFileSystem) path.getFileSystem(hadoopConf);
        if (overwrite.booleanValue()) {
            FSDataOutputStream out = s3a.create(path, true);
            out.write(text.toString().getBytes(StandardCharsets.UTF_8));
            out.close(); // Not in a finally: closing after a failure would store half an entry.
        } else {
            putOnce(s3a, path, text.toString(), hadoopConf);
        }
    }

    private void putOnce(S3AFileSystem s3a, Path path, String text, Configuration hadoopConf) throws IOException {
        // The SDK that Spark 4.0 brings has no ifNoneMatch, hence the header by name.
        AwsRequestOverrideConfiguration.Builder onlyIfAbsent = AwsRequestOverrideConfiguration.builder();
        onlyIfAbsent.putHeader("If-None-Match", "*");
        PutObjectRequest.Builder request = PutObjectRequest.builder();
        request.bucket(s3a.getBucket());
        request.key(s3a.pathToKey(s3a.makeQualified(path)));
        request.overrideConfiguration(onlyIfAbsent.build());
        PutObjectRequest put = (PutObjectRequest) request.build();
        S3Client client = s3a.getS3AInternals().getAmazonS3Client("put a log entry that must not exist");
        for (int attempt = 0; ; attempt++) {
            try {
                client.putObject(put, RequestBody.fromString(text));
                return;
            } catch (SdkException error) {
                int status = error instanceof SdkServiceException ? ((SdkServiceException) error).statusCode() : 0;
                if (status == 412) {
                    if (text.equals(stored(path, hadoopConf))) {
                        return; // The answer to an earlier try was lost: the entry is ours.
                    }
                    throw new FileAlreadyExistsException(path.toString());
                }
                // 409: S3 was deciding between two writers, and neither has won yet.
                if (status != 409 || attempt >= CONFLICT_RETRIES) {
                    throw S3AUtils.translateException("conditional put", path, error);
                }
                pause(attempt);
            }
        }
    }

    /** Entries from `path` on, in order of version. Asks S3 from there, so that a long log costs no more than a short. */
    public Iterator listFrom(Path path, Configuration hadoopConf) throws IOException {
        S3AFileSystem s3a = (S3AFileSystem) path.getFileSystem(hadoopConf);
        Path from = s3a.makeQualified(path);
        FileStatus[] found = S3LogStoreUtil.s3ListFromArray(s3a, from, from.getParent());
        Arrays.sort(found);
        List entries = new ArrayList();
        for (int i = 0; i < found.length; i++) {
            Path each = found[i].getPath();
            if (each.getParent().equals(from.getParent()) && each.getName().compareTo(from.getName()) >= 0) {
                entries.add(found[i]);
            }
        }
        if (entries.isEmpty() && !s3a.exists(from.getParent())) {
            throw new FileNotFoundException("No such file or directory: " + from.getParent());
        }
        return entries.iterator();
    }

    public Boolean isPartialWriteVisible(Path path, Configuration hadoopConf) {
        return Boolean.FALSE;
    }

    private String stored(Path path, Configuration hadoopConf) throws IOException {
        CloseableIterator lines = read(path, hadoopConf);
        try {
            StringBuilder text = new StringBuilder();
            while (lines.hasNext()) {
                text.append((String) lines.next()).append('\n');
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
