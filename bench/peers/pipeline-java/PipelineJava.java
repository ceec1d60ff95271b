// The Java contestant of the pipeline benchmark: Confluent's Parallel Consumer, Avro's GenericDatumReader, the Java
// driver 4. usage: PipelineJava BROKERS TOPIC GROUP CQL SCHEMA_FILE RECORDS IN_FLIGHT [UNORDERED|KEY]

import com.datastax.oss.driver.api.core.CqlSession;
import com.datastax.oss.driver.api.core.config.DefaultDriverOption;
import com.datastax.oss.driver.api.core.config.DriverConfigLoader;
import com.datastax.oss.driver.api.core.cql.PreparedStatement;
import com.datastax.oss.driver.api.core.cql.Row;
import io.confluent.parallelconsumer.ParallelConsumerOptions;
import io.confluent.parallelconsumer.ParallelConsumerOptions.ProcessingOrder;
import io.confluent.parallelconsumer.ParallelStreamProcessor;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Properties;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

public final class PipelineJava {
  private static final int FRAME_BYTES = 5;
  private static final String SELECT = "SELECT segment, score FROM bench.visitor_profile WHERE visitor_id = ?";
  private static final String INSERT =
      "INSERT INTO bench.visit (visitor_id, event_time, event_id, url, segment, score) VALUES (?, ?, ?, ?, ?, ?)";

  // Each thread decodes with its own.
  private static final class Decoding {
    final GenericDatumReader<GenericRecord> reader;
    BinaryDecoder decoder;
    GenericRecord reused;

    Decoding(Schema schema) {
      reader = new GenericDatumReader<>(schema);
      reader.getData().setFastReaderEnabled(true);
    }

    GenericRecord decode(byte[] value) throws java.io.IOException {
      decoder = DecoderFactory.get().binaryDecoder(value, FRAME_BYTES, value.length - FRAME_BYTES, decoder);
      reused = reader.read(reused, decoder);
      return reused;
    }
  }

  public static void main(String[] words) throws Exception {
    String brokers = words[0], topic = words[1], group = words[2];
    String[] cql = words[3].split(":");
    Schema schema = new Schema.Parser().parse(Files.readString(Path.of(words[4])));
    int records = Integer.parseInt(words[5]), inFlight = Integer.parseInt(words[6]);
    ProcessingOrder order = ProcessingOrder.valueOf(words.length > 7 ? words[7] : "UNORDERED");

    DriverConfigLoader config =
        DriverConfigLoader.programmaticBuilder()
            .withDuration(DefaultDriverOption.REQUEST_TIMEOUT, Duration.ofSeconds(15))
            .withString(DefaultDriverOption.REQUEST_CONSISTENCY, "LOCAL_ONE")
            .withString(DefaultDriverOption.LOAD_BALANCING_POLICY_CLASS, "DcInferringLoadBalancingPolicy")
            .withInt(DefaultDriverOption.CONNECTION_MAX_REQUESTS, 16384)
            .build();
    CqlSession session =
        CqlSession.builder()
            .addContactPoint(new InetSocketAddress(cql[0], Integer.parseInt(cql[1])))
            .withConfigLoader(config)
            .build();
    PreparedStatement select = session.prepare(SELECT), insert = session.prepare(INSERT);

    Properties properties = new Properties();
    properties.put("bootstrap.servers", brokers);
    properties.put("group.id", group);
    properties.put("auto.offset.reset", "earliest");
    properties.put("enable.auto.commit", "false");
    properties.put("max.poll.records", "2000");
    properties.put("key.deserializer", ByteArrayDeserializer.class.getName());
    properties.put("value.deserializer", ByteArrayDeserializer.class.getName());
    ParallelStreamProcessor<byte[], byte[]> processor =
        ParallelStreamProcessor.createEosStreamProcessor(
            ParallelConsumerOptions.<byte[], byte[]>builder()
                .ordering(order)
                .maxConcurrency(inFlight)
                .consumer(new KafkaConsumer<>(properties))
                .build());
    processor.subscribe(List.of(topic));

    ThreadLocal<Decoding> decodings = ThreadLocal.withInitial(() -> new Decoding(schema));
    AtomicInteger seen = new AtomicInteger();
    long[] nanoseconds = new long[records];
    CountDownLatch finished = new CountDownLatch(1);
    processor.poll(
        context -> {
          long fetched = System.nanoTime();
          ConsumerRecord<byte[], byte[]> record = context.getSingleConsumerRecord();
          try {
            GenericRecord nav = decodings.get().decode(record.value());
            String visitor = nav.get("visitor_id").toString();
            Row row = session.execute(select.bind(visitor)).one();
            String segment = row == null ? "unknown" : row.getString(0);
            double score = row == null ? 0.0 : row.getDouble(1);
            session.execute(
                insert.bind(
                    visitor,
                    Instant.ofEpochMilli((Long) nav.get("event_time")),
                    UUID.fromString(nav.get("event_id").toString()),
                    ((GenericData.Record) nav.get("page")).get("url").toString(),
                    segment,
                    score));
          } catch (Throwable why) { // else the library would try again for ever
            why.printStackTrace();
            System.exit(1);
          }
          int index = seen.getAndIncrement();
          if (index < records) nanoseconds[index] = System.nanoTime() - fetched;
          if (index + 1 == records) finished.countDown();
        });
    finished.await();
    long[] behindWarmUp = Arrays.copyOfRange(nanoseconds, records / 5, records);
    Arrays.sort(behindWarmUp);
    System.out.printf(
        "{\"p50_ms\": %s, \"p95_ms\": %s, \"p99_ms\": %s}%n",
        at(behindWarmUp, 0.50), at(behindWarmUp, 0.95), at(behindWarmUp, 0.99));
    CountDownLatch forever = new CountDownLatch(1);
    forever.await();
  }

  private static double at(long[] sorted, double share) {
    return sorted[Math.min((int) (sorted.length * share), sorted.length - 1)] / 1e6;
  }
}
