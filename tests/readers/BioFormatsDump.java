// Reads images with Bio-Formats for the tests: one process, as many files as are asked for.
//
// Each line of standard input is the path of a file, a tab, and the path of a folder. All series
// of the file are written into the folder: N.raw, the bytes of all planes (t slowest, then c, then z), and all.json,
// what Bio-Formats says of them. The answer is one line: "ok", or "error" and what happened.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import loci.common.DebugTools;
import loci.common.services.ServiceFactory;
import loci.formats.FormatTools;
import loci.formats.ImageReader;
import loci.formats.ome.OMEXMLMetadata;
import loci.formats.services.OMEXMLService;
import ome.units.UNITS;
import ome.units.quantity.Length;
import ome.units.quantity.Time;

public class BioFormatsDump {
  public static void main(String[] args) throws Exception {
    PrintStream answers = System.out;
    System.setOut(System.err); // where the log goes
    DebugTools.enableLogging("WARN");
    BufferedReader in =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      String[] asked = line.split("\t");
      try {
        dump(asked[0], Path.of(asked[1]));
        answers.println("ok");
      } catch (Exception error) {
        answers.println("error " + error.toString().replace('\n', ' '));
      }
      answers.flush();
    }
  }

  static void dump(String file, Path folder) throws Exception {
    OMEXMLService service = new ServiceFactory().getInstance(OMEXMLService.class);
    OMEXMLMetadata meta = service.createOMEXMLMetadata();
    List<Object> series = new ArrayList<>();
    try (ImageReader reader = new ImageReader()) {
      reader.setMetadataStore(meta);
      reader.setFlattenedResolutions(false); // levels are no series
      reader.setId(file);
      for (int s = 0; s < reader.getSeriesCount(); s++) {
        reader.setSeries(s);
        write(reader, folder.resolve(s + ".raw"));
        Map<String, Object> found = describe(reader, meta, s);
        List<Object> levels = new ArrayList<>();
        for (int n = 0; n < reader.getResolutionCount(); n++) {
          reader.setResolution(n);
          levels.add(List.of(reader.getSizeY(), reader.getSizeX()));
          if (n > 0) {
            write(reader, folder.resolve(s + "." + n + ".raw"));
          }
        }
        found.put("levels", levels);
        series.add(found);
      }
      Map<String, Object> all = new LinkedHashMap<>();
      all.put("format", reader.getFormat());
      all.put("used_files", reader.getUsedFiles().length);
      all.put("series", series);
      all.put("wells", wells(meta));
      all.put("valid", service.validateOMEXML(service.getOMEXML(meta)));
      Files.writeString(folder.resolve("all.json"), json(all));
    }
  }

  static void write(ImageReader reader, Path file) throws Exception {
    try (OutputStream raw = Files.newOutputStream(file)) {
      for (int t = 0; t < reader.getSizeT(); t++) {
        for (int c = 0; c < reader.getEffectiveSizeC(); c++) {
          for (int z = 0; z < reader.getSizeZ(); z++) {
            raw.write(reader.openBytes(reader.getIndex(z, c, t)));
          }
        }
      }
    }
  }

  static Map<String, Object> describe(ImageReader reader, OMEXMLMetadata meta, int s) {
    Map<String, Object> found = new LinkedHashMap<>();
    found.put("name", meta.getImageName(s));
    found.put("x", reader.getSizeX());
    found.put("y", reader.getSizeY());
    found.put("z", reader.getSizeZ());
    found.put("c", reader.getSizeC());
    found.put("t", reader.getSizeT());
    found.put("samples", reader.getRGBChannelCount());
    found.put("interleaved", reader.isInterleaved());
    found.put("little", reader.isLittleEndian());
    found.put("type", FormatTools.getPixelTypeString(reader.getPixelType()));
    found.put("bits", reader.getBitsPerPixel());
    found.put("size_x_um", um(meta.getPixelsPhysicalSizeX(s)));
    found.put("size_y_um", um(meta.getPixelsPhysicalSizeY(s)));
    found.put("size_z_um", um(meta.getPixelsPhysicalSizeZ(s)));
    found.put("step_s", in(meta.getPixelsTimeIncrement(s), 1));
    found.put("stage_x_um", get(() -> um(meta.getStageLabelX(s))));
    found.put("stage_y_um", get(() -> um(meta.getStageLabelY(s))));
    found.put("stage_z_um", get(() -> um(meta.getStageLabelZ(s))));
    List<Object> channels = new ArrayList<>();
    for (int c = 0; c < meta.getChannelCount(s); c++) {
      final int n = c;
      Map<String, Object> channel = new LinkedHashMap<>();
      channel.put("name", meta.getChannelName(s, c));
      channel.put("samples", meta.getChannelSamplesPerPixel(s, c).getValue());
      channel.put("fluor", meta.getChannelFluor(s, c));
      channel.put("excitation_nm", nm(meta.getChannelExcitationWavelength(s, c)));
      channel.put("emission_nm", nm(meta.getChannelEmissionWavelength(s, c)));
      channel.put("color", get(() -> meta.getChannelColor(s, n).getValue()));
      channel.put("binning", get(() -> meta.getDetectorSettingsBinning(s, n).toString()));
      channel.put("gain", get(() -> meta.getDetectorSettingsGain(s, n)));
      channels.add(channel);
    }
    found.put("channels", channels);
    List<Object> planes = new ArrayList<>();
    for (int p = 0; p < meta.getPlaneCount(s); p++) {
      Map<String, Object> plane = new LinkedHashMap<>();
      plane.put("t", meta.getPlaneTheT(s, p).getValue());
      plane.put("c", meta.getPlaneTheC(s, p).getValue());
      plane.put("z", meta.getPlaneTheZ(s, p).getValue());
      plane.put("delta_t_s", in(meta.getPlaneDeltaT(s, p), 1));
      plane.put("exposure_ms", in(meta.getPlaneExposureTime(s, p), 1000));
      plane.put("x_um", um(meta.getPlanePositionX(s, p)));
      plane.put("y_um", um(meta.getPlanePositionY(s, p)));
      plane.put("z_um", um(meta.getPlanePositionZ(s, p)));
      planes.add(plane);
    }
    found.put("planes", planes);
    found.put("objective", get(() -> meta.getObjectiveNominalMagnification(0, 0)));
    return found;
  }

  static List<Object> wells(OMEXMLMetadata meta) {
    List<Object> found = new ArrayList<>();
    for (int p = 0; p < meta.getPlateCount(); p++) {
      for (int w = 0; w < meta.getWellCount(p); w++) {
        for (int n = 0; n < meta.getWellSampleCount(p, w); n++) {
          Map<String, Object> sample = new LinkedHashMap<>();
          sample.put("plate", meta.getPlateName(p));
          sample.put("row", meta.getWellRow(p, w).getValue());
          sample.put("column", meta.getWellColumn(p, w).getValue());
          sample.put("image", meta.getWellSampleImageRef(p, w, n));
          sample.put("x_um", um(meta.getWellSamplePositionX(p, w, n)));
          found.add(sample);
        }
      }
    }
    return found;
  }

  static Object um(Length length) {
    return length == null ? null : length.value(UNITS.MICROMETER);
  }

  static Object nm(Length length) {
    return length == null ? null : length.value(UNITS.NANOMETER);
  }

  static Object in(Time time, int per_second) {
    return time == null ? null : time.value(UNITS.SECOND).doubleValue() * per_second;
  }

  /** Bio-Formats throws where an optional element is not there. */
  static Object get(Supplier<Object> field) {
    try {
      return field.get();
    } catch (NullPointerException | IndexOutOfBoundsException absent) {
      return null;
    }
  }

  static String json(Object value) {
    if (value instanceof Map<?, ?> map) {
      List<String> parts = new ArrayList<>();
      map.forEach((key, item) -> parts.add(json(key) + ":" + json(item)));
      return "{" + String.join(",", parts) + "}";
    }
    if (value instanceof List<?> list) {
      return "[" + String.join(",", list.stream().map(BioFormatsDump::json).toList()) + "]";
    }
    if (value == null || value instanceof Number || value instanceof Boolean) {
      return String.valueOf(value);
    }
    StringBuilder text = new StringBuilder("\"");
    for (char c : value.toString().toCharArray()) {
      text.append(c < ' ' || c > '~' || c == '"' || c == '\\' ? String.format("\\u%04x", (int) c) : c);
    }
    return text.append('"').toString();
  }
}
