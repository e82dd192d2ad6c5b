import co.elastic.clients.elasticsearch.ElasticsearchClient;
import co.elastic.clients.elasticsearch.core.BulkRequest;
import co.elastic.clients.elasticsearch.core.BulkResponse;
import co.elastic.clients.json.JsonData;
import co.elastic.clients.json.SimpleJsonpMapper;
import co.elastic.clients.transport.rest_client.RestClientTransport;
import co.elastic.clients.util.BinaryData;
import jakarta.json.JsonValue;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import org.apache.http.HttpHost;
import org.elasticsearch.client.RestClient;

/**
 * The calls of a broker from 8.9 on, with the client that it uses.
 *
 * <p>Arguments: a URL. Standard input: an id, an index and a document per line, between tabs. The
 * last line of the output: how many documents were accepted.
 */
public final class Calls {
  public static void main(String[] arguments) throws Exception {
    var http = RestClient.builder(HttpHost.create(arguments[0])).build();
    try (var transport = new RestClientTransport(http, new SimpleJsonpMapper())) {
      var client = new ElasticsearchClient(transport);
      prepare(client);
      BulkResponse response = client.bulk(documents());
      if (response.errors()) {
        throw new IllegalStateException("The bulk has errors");
      }
      System.out.println(response.items().size());
    }
  }

  private static void prepare(ElasticsearchClient client) throws Exception {
    client
        .cluster()
        .putComponentTemplate(
            request ->
                request
                    .name("zeebe-record-8.9.0")
                    .template(template -> template.settings(index -> index.numberOfShards("1")))
                    .version(1L));
    client
        .indices()
        .putIndexTemplate(
            request ->
                request
                    .name("zeebe-record_user-task_8.9.0")
                    .indexPatterns("zeebe-record_user-task_8.9.0_*")
                    .composedOf("zeebe-record-8.9.0")
                    .priority(20L)
                    .template(template -> template)
                    .version(1L));
    client
        .indices()
        .putSettings(
            request ->
                request
                    .index("zeebe-record_*")
                    .allowNoIndices(true)
                    .settings(
                        index ->
                            index.otherSettings(
                                "index.lifecycle.name", JsonData.of(JsonValue.NULL))));
  }

  private static BulkRequest documents() throws Exception {
    var bulk = new BulkRequest.Builder();
    var input = new InputStreamReader(System.in, StandardCharsets.UTF_8);
    for (String line : new BufferedReader(input).lines().toList()) {
      String[] parts = line.split("\t");
      var document =
          BinaryData.of(parts[2].getBytes(StandardCharsets.UTF_8), "application/json");
      bulk.operations(
          operation ->
              operation.index(
                  index -> index.id(parts[0]).index(parts[1]).routing("1").document(document)));
    }
    return bulk.build();
  }
}
