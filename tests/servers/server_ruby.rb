# Two servers in Ruby that refuse a request by its head: a socket's own reading and writing, and
# WEBrick. See server_early.bash. Usage: server_ruby.rb socket|webrick PORT
require 'socket'

$stdout.sync = true
how, port = ARGV
REPLY = "safeclose\n" * 100_000

def ask
  puts 'asked'
  $stdin.gets
end

def socket_server(port)
  listener = TCPServer.new('127.0.0.1', port)
  puts 'listening'
  client = listener.accept
  nil until client.gets.chomp.empty?
  ask
  client.write("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\n" \
               "Content-Length: #{REPLY.size}\r\n\r\n", REPLY)
  client.close
  $stdin.read
end

def webrick_server(port)
  require 'webrick'
  server = WEBrick::HTTPServer.new(BindAddress: '127.0.0.1', Port: port, AccessLog: [],
                                   Logger: WEBrick::Log.new(File::NULL),
                                   StartCallback: -> { puts 'listening' })
  server.mount_proc('/') do |_request, response|
    ask
    # WEBrick closes once this block has returned.
    Thread.new do
      $stdin.read
      server.shutdown
    end
    response.status = 401
    response.body = REPLY
  end
  server.start
end

how == 'webrick' ? webrick_server(port) : socket_server(port)
