package dev.pulseiq.state;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.sql.execution.streaming.state.KeyStateEncoderSpec;
import org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider;
import org.apache.spark.sql.execution.streaming.state.StateStore;
import org.apache.spark.sql.execution.streaming.state.StateStoreConf;
import org.apache.spark.sql.execution.streaming.state.StateStoreId;
import org.apache.spark.sql.execution.streaming.state.StateStoreIterator;
import org.apache.spark.sql.types.StructType;
import scala.Option;
import scala.collection.Iterator$;
import scala.runtime.AbstractFunction0;
import scala.runtime.BoxedUnit;

/**
 * Spark's state in RocksDB, walked through for expired keys once in a while instead of in every micro-batch.
 *
 * De-duplication reads its whole state after each batch, to take away what has expired: with an hour of events in it
 * that takes longer than the batch. Until the next walk an expired key only goes on to catch its twins. It is not for
 * operators whose result is what has expired.
 *
 * Written for Janino: no lambdas, no diamonds, no try-with-resources.
 */
public class SeldomScannedStateStore extends RocksDBStateStoreProvider {
    private static final String SECONDS = "pulseiq.state.scan.seconds";
    private static final long DEFAULT_SECONDS = 60L;

    private long pause = DEFAULT_SECONDS * 1000000000L;
    private boolean scanned = false; // The first batch walks, or short runs one after the other never would.
    private long last = 0L;

    public void init(
            StateStoreId id,
            StructType key,
            StructType value,
            KeyStateEncoderSpec encoding,
            boolean families,
            StateStoreConf conf,
            Configuration hadoop,
            boolean multiple,
            Option schemas) {
        pause = hadoop.getLong(SECONDS, DEFAULT_SECONDS) * 1000000000L;
        super.init(id, key, value, encoding, families, conf, hadoop, multiple, schemas);
    }

    public StateStore getStore(long version, Option checkpoint) {
        final StateStore store = super.getStore(version, checkpoint);
        InvocationHandler handler = new InvocationHandler() {
            public Object invoke(Object proxy, Method method, Object[] arguments) throws Throwable {
                if (method.getName().equals("iterator") && !isDue()) {
                    return nothing();
                }
                try {
                    return method.invoke(store, arguments);
                } catch (InvocationTargetException failure) {
                    throw failure.getCause();
                }
            }
        };
        return (StateStore) Proxy.newProxyInstance(
            SeldomScannedStateStore.class.getClassLoader(), new Class[] {StateStore.class}, handler);
    }

    private synchronized boolean isDue() {
        long now = System.nanoTime();
        if (scanned && now - last < pause) {
            return false;
        }
        scanned = true;
        last = now;
        return true;
    }

    private static StateStoreIterator nothing() {
        return new StateStoreIterator(Iterator$.MODULE$.empty(), new AbstractFunction0() {
            public Object apply() {
                return BoxedUnit.UNIT;
            }
        });
    }
}
