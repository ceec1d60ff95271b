import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericFixed;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.DecoderFactory;

/** The Java row of the benchmark; the protocol is in bench/avro/README.md. usage: AvroPeers DATA_FOLDER SCHEMA_FILE */
public final class AvroPeers {
  private static final int FRAME_BYTES = 5;
  private static final String ROW = "Java GenericDatumReader, fast reader, reused";

  private final List<byte[]> datums = new ArrayList<>();
  private final GenericDatumReader<GenericRecord> reader;
  private BinaryDecoder decoder;
  private GenericRecord reused;
  private long sum;

  private AvroPeers(String folder, String schemaFile) throws IOException {
    ByteBuffer raw =
        ByteBuffer.wrap(Files.readAllBytes(Path.of(folder, "navigation.bin"))).order(ByteOrder.LITTLE_ENDIAN);
    while (raw.hasRemaining()) {
      byte[] datum = new byte[raw.getInt() - FRAME_BYTES];
      raw.position(raw.position() + FRAME_BYTES);
      raw.get(datum);
      datums.add(datum);
    }
    Schema schema = new Schema.Parser().parse(new File(schemaFile));
    GenericData data = new GenericData();
    data.setFastReaderEnabled(true);
    reader = new GenericDatumReader<>(schema, schema, data);
  }

  private void pass(boolean summed) throws IOException {
    DecoderFactory factory = DecoderFactory.get();
    for (byte[] datum : datums) {
      decoder = factory.binaryDecoder(datum, decoder);
      reused = reader.read(reused, decoder);
      if (summed) {
        add("", reused);
      }
    }
  }

  private static long fnv1a(byte[] data) {
    long hash = 0xcbf29ce484222325L;
    for (byte one : data) {
      hash = (hash ^ (one & 0xff)) * 0x100000001b3L;
    }
    return hash;
  }

  private void add(String name, byte[] value) {
    sum += fnv1a(value) * (fnv1a(name.getBytes(StandardCharsets.UTF_8)) | 1);
  }

  private void add(String name, long value) {
    add(name, ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(value).array());
  }

  private void add(String name, Object value) {
    if (value == null) {
      return;
    }
    if (value instanceof GenericRecord record) {
      for (Schema.Field field : record.getSchema().getFields()) {
        add(field.name(), record.get(field.pos()));
      }
    } else if (value instanceof Map<?, ?> map) {
      map.forEach((key, inner) -> {
        add(name, (Object) key);
        add(key.toString(), inner);
      });
    } else if (value instanceof List<?> list) {
      list.forEach(item -> add(name, item));
    } else if (value instanceof GenericFixed fixed) {
      add(name, fixed.bytes());
    } else if (value instanceof ByteBuffer decimal) {
      byte[] unscaled = new byte[decimal.remaining()];
      decimal.duplicate().get(unscaled);
      add(name, new BigInteger(unscaled).longValueExact());
    } else if (value instanceof Boolean bool) {
      add(name, bool ? 1 : 0);
    } else if (value instanceof Double || value instanceof Float) {
      add(name, Double.doubleToRawLongBits(((Number) value).doubleValue()));
    } else if (value instanceof Number number) {
      add(name, number.longValue());
    } else { // Utf8 and enum symbols
      add(name, value.toString().getBytes(StandardCharsets.UTF_8));
    }
  }

  public static void main(String[] arguments) throws IOException {
    AvroPeers peers = new AvroPeers(arguments[0], arguments[1]);
    System.out.println(ROW);
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      boolean summed = line.startsWith("sum\t");
      peers.sum = 0;
      peers.pass(summed);
      System.out.println(summed ? String.format("%016x", peers.sum) : "done");
    }
  }
}
