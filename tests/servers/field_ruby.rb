# Two servers in Ruby that refuse a request by its head, again and again.
# Usage: field_ruby.rb socket|webrick PORT
require 'socket'

how, port = ARGV
ANSWER = "safeclose\n" * 200_000

def socket_server(port)
  listener = TCPServer.new('127.0.0.1', port)
  loop do
    client = listener.accept
    nil until client.gets.chomp.empty?
    client.write("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\n" \
                 "Content-Length: #{ANSWER.size}\r\n\r\n", ANSWER)
    client.close
  end
end

def webrick_server(port)
  require 'webrick'
  server = WEBrick::HTTPServer.new(BindAddress: '127.0.0.1', Port: port, AccessLog: [],
                                   Logger: WEBrick::Log.new(File::NULL))
  server.mount_proc('/') do |_request, response|
    response.status = 401
    response.body = ANSWER
  end
  server.start
end

how == 'webrick' ? webrick_server(port) : socket_server(port)
