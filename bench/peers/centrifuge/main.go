// The engine of Centrifugo with the settings that Centrifugo has when nothing is
// configured.  Topics under bench/kept have a history in memory and can be recovered,
// as in a namespace of Centrifugo with history_size and force_recovery.
package main

import (
	"context"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/centrifugal/centrifuge"
)

func kept(channel string) bool {
	return strings.HasPrefix(channel, "bench/kept")
}

func anybody(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := centrifuge.SetCredentials(context.WithoutCancel(r.Context()), &centrifuge.Credentials{})
		handler.ServeHTTP(w, r.WithContext(ctx))
	})
}

func main() {
	node, err := centrifuge.New(centrifuge.Config{ClientQueueMaxSize: 4 << 20})
	if err != nil {
		log.Fatal(err)
	}
	delay, err := time.ParseDuration(os.Getenv("WRITE_DELAY"))
	if err == nil {
		node.OnConnecting(func(context.Context, centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
			return centrifuge.ConnectReply{WriteDelay: delay, MaxMessagesInFrame: -1}, nil
		})
	}
	node.OnConnect(func(client *centrifuge.Client) {
		client.OnSubscribe(func(e centrifuge.SubscribeEvent, answer centrifuge.SubscribeCallback) {
			options := centrifuge.SubscribeOptions{EnableRecovery: kept(e.Channel)}
			answer(centrifuge.SubscribeReply{Options: options}, nil)
		})
		client.OnPublish(func(e centrifuge.PublishEvent, answer centrifuge.PublishCallback) {
			reply := centrifuge.PublishReply{}
			if kept(e.Channel) {
				reply.Options = centrifuge.PublishOptions{HistorySize: 10000, HistoryTTL: time.Hour}
			}
			answer(reply, nil)
		})
	})
	if err := node.Run(); err != nil {
		log.Fatal(err)
	}
	http.Handle("/connection/websocket", anybody(
		centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{})))
	address := "127.0.0.1:" + os.Args[1]
	if len(os.Args) > 3 {
		log.Fatal(http.ListenAndServeTLS(address, os.Args[3], os.Args[2], nil))
	}
	log.Fatal(http.ListenAndServe(address, nil))
}
