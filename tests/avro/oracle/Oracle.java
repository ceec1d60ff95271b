import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import org.apache.avro.Schema;
import org.apache.avro.SchemaCompatibility;
import org.apache.avro.SchemaNormalization;
import org.apache.avro.file.CodecFactory;
import org.apache.avro.file.DataFileReader;
import org.apache.avro.file.DataFileWriter;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.avro.io.JsonEncoder;

/** A line of tab-separated words in, a line out: "ok", then the answer, or "error" and why. */
public class Oracle {
  private static final HexFormat HEX = HexFormat.of();
  private static final GenericData DATA = new GenericData() {
    @Override
    public Object newMap(Object old, int size) {
      return new LinkedHashMap<>(); // the order of the wire
    }
  };

  static Schema parse(String text) {
    return new Schema.Parser().parse(text);
  }

  static Object decode(Schema writer, Schema reader, byte[] bytes) throws Exception {
    BinaryDecoder in = DecoderFactory.get().binaryDecoder(bytes, null);
    Object value = new GenericDatumReader<Object>(writer, reader, DATA).read(null, in);
    if (!in.isEnd()) throw new IllegalStateException("trailing bytes");
    return value;
  }

  static String encode(Schema schema, Object value) throws Exception {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    BinaryEncoder out = EncoderFactory.get().directBinaryEncoder(bytes, null);
    new GenericDatumWriter<Object>(schema, DATA).write(value, out);
    out.flush();
    return HEX.formatHex(bytes.toByteArray());
  }

  static String toJson(Schema schema, Object value) throws Exception {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    JsonEncoder out = EncoderFactory.get().jsonEncoder(schema, bytes);
    new GenericDatumWriter<Object>(schema, DATA).write(value, out);
    out.flush();
    return bytes.toString(StandardCharsets.UTF_8);
  }

  static Object fromJson(Schema schema, String text) throws Exception {
    return new GenericDatumReader<Object>(schema, schema, DATA).read(null, DecoderFactory.get().jsonDecoder(schema, text));
  }

  static String writeFile(String path, String codec, Schema schema, String[] data) throws Exception {
    try (DataFileWriter<Object> out = new DataFileWriter<>(new GenericDatumWriter<Object>(schema, DATA))) {
      out.setCodec(CodecFactory.fromString(codec)).create(schema, new File(path));
      for (String datum : data) out.append(decode(schema, schema, HEX.parseHex(datum)));
    }
    return "";
  }

  static String readFile(String path) throws Exception {
    ArrayList<String> all = new ArrayList<>();
    try (DataFileReader<Object> in = new DataFileReader<>(new File(path), new GenericDatumReader<Object>(null, null, DATA))) {
      while (in.hasNext()) all.add(encode(in.getSchema(), in.next()));
    }
    return String.join(",", all);
  }

  static String answer(String[] words) throws Exception {
    Schema schema = words[0].equals("read_file") ? null : parse(words[words[0].equals("write_file") ? 3 : 1]);
    switch (words[0]) {
      case "schema":
        return SchemaNormalization.toParsingForm(schema) + "\t" + SchemaNormalization.parsingFingerprint64(schema);
      case "resolve":
        return encode(parse(words[2]), decode(schema, parse(words[2]), HEX.parseHex(words[3])));
      case "to_json":
        return toJson(schema, decode(schema, schema, HEX.parseHex(words[2])));
      case "from_json":
        return encode(schema, fromJson(schema, words[2]));
      case "compat":
        return SchemaCompatibility.checkReaderWriterCompatibility(parse(words[2]), schema).getType().toString();
      case "write_file":
        return writeFile(words[1], words[2], schema, words[4].split(","));
      case "read_file":
        return readFile(words[1]);
      default:
        throw new IllegalArgumentException(words[0]);
    }
  }

  public static void main(String[] args) throws Exception {
    PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      String said;
      try {
        said = "ok\t" + answer(line.split("\t", -1));
      } catch (Exception | StackOverflowError wrong) {
        said = "error\t" + wrong;
      }
      out.print(said.replace('\n', ' ') + "\n");
    }
    out.flush();
  }
}
