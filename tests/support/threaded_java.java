import com.sun.net.httpserver.HttpServer;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Executors;

/** The JDK's HTTP server with a pool of threads, refusing a request by its head. Usage: ThreadedJava PORT */
class ThreadedJava {
    public static void main(String[] arguments) throws Exception {
        byte[] answer = "safeclose\n".repeat(200_000).getBytes(StandardCharsets.US_ASCII);
        InetAddress host = InetAddress.getByName("127.0.0.1");
        HttpServer server =
            HttpServer.create(new InetSocketAddress(host, Integer.parseInt(arguments[0])), 100);
        server.setExecutor(Executors.newFixedThreadPool(8));
        server.createContext("/", exchange -> {
            exchange.sendResponseHeaders(413, answer.length);
            exchange.getResponseBody().write(answer);
            exchange.close();
        });
        server.start();
    }
}
