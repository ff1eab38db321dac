// A server on Asio, as its tutorials have them: some threads run one io_context. It refuses a request
// with 413 by its head, and closes. Usage: threaded_asio PORT
#include <asio.hpp>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

using asio::ip::tcp;

static const std::string answer = "HTTP/1.1 413 Content Too Large\r\n"
                                  "Connection: close\r\n"
                                  "Content-Length: 2000000\r\n\r\n" +
                                  std::string(2000000, 'a');

class connection : public std::enable_shared_from_this<connection>
{
  public:
    explicit connection(tcp::socket socket) : socket_(std::move(socket))
    {
    }

    void start()
    {
        auto self = shared_from_this();
        asio::async_read_until(socket_, request_, "\r\n\r\n",
                               [self](asio::error_code error, std::size_t) {
                                   if (!error)
                                       self->refuse();
                               });
    }

  private:
    void refuse()
    {
        auto self = shared_from_this();
        asio::async_write(socket_, asio::buffer(answer), [self](asio::error_code, std::size_t) {
            asio::error_code ignored;
            self->socket_.close(ignored);
        });
    }

    tcp::socket socket_;
    asio::streambuf request_{16384};
};

static void accept_next(tcp::acceptor &acceptor)
{
    acceptor.async_accept([&acceptor](asio::error_code error, tcp::socket socket) {
        if (!error)
            std::make_shared<connection>(std::move(socket))->start();
        accept_next(acceptor);
    });
}

int main(int, char **argv)
{
    const auto port = static_cast<unsigned short>(std::atoi(argv[1]));
    asio::io_context context;
    tcp::acceptor acceptor(context, tcp::endpoint(asio::ip::address_v4::loopback(), port));
    std::vector<std::thread> threads;

    accept_next(acceptor);
    for (int i = 0; i < 4; i++)
        threads.emplace_back([&context] { context.run(); });
    for (auto &thread : threads)
        thread.join();
}
