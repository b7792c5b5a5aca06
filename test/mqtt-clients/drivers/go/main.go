// Drives Eclipse Paho for Go (MQTT 5). One JSON command a line comes in; answers and events go out.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/eclipse/paho.golang/paho/session"
	"github.com/eclipse/paho.golang/paho/session/state"
	"github.com/gorilla/websocket"
)

type properties struct {
	PayloadFormat   *byte       `json:"payloadFormat,omitempty"`
	ContentType     string      `json:"contentType,omitempty"`
	ResponseTopic   string      `json:"responseTopic,omitempty"`
	CorrelationData string      `json:"correlationData,omitempty"`
	UserProperties  [][2]string `json:"userProperties,omitempty"`
	MessageExpiry   *uint32     `json:"messageExpiry,omitempty"`
	TopicAlias      *uint16     `json:"topicAlias,omitempty"`
}

type publication struct {
	Topic      string     `json:"topic"`
	Payload    string     `json:"payload"`
	Qos        byte       `json:"qos"`
	Retain     bool       `json:"retain"`
	Properties properties `json:"properties"`
	Delay      uint32     `json:"delay"`
}

type connectOptions struct {
	Transport      string       `json:"transport"`
	Host           string       `json:"host"`
	Port           int          `json:"port"`
	CaFile         string       `json:"caFile"`
	ClientID       string       `json:"clientId"`
	CleanStart     bool         `json:"cleanStart"`
	Username       *string      `json:"username"`
	Password       *string      `json:"password"`
	SessionExpiry  *uint32      `json:"sessionExpiry"`
	ReceiveMaximum *uint16      `json:"receiveMaximum"`
	Will           *publication `json:"will"`
}

type filter struct {
	Filter            string `json:"filter"`
	Qos               byte   `json:"qos"`
	NoLocal           bool   `json:"noLocal"`
	RetainAsPublished bool   `json:"retainAsPublished"`
	RetainHandling    byte   `json:"retainHandling"`
}

type command struct {
	ID          int            `json:"id"`
	Op          string         `json:"op"`
	Connection  int            `json:"connection"`
	Options     connectOptions `json:"options"`
	Filters     []filter       `json:"filters"`
	Identifier  *int           `json:"identifier"`
	Filter      string         `json:"filter"`
	Publication publication    `json:"publication"`
}

type connection struct {
	client *paho.Client
	conn   net.Conn
}

var (
	output      sync.Mutex
	guard       sync.Mutex
	connections = map[int]*connection{}
	// By client id: what the library remembers of a session between two connections.
	sessions = map[string]session.SessionManager{}
)

func write(line map[string]any) {
	text, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	output.Lock()
	defer output.Unlock()
	os.Stdout.Write(append(text, '\n'))
}

func answer(id int, codes []byte, err error) {
	if err != nil {
		write(map[string]any{"id": id, "error": err.Error()})
		return
	}
	numbers := make([]int, len(codes))
	for i, code := range codes {
		numbers[i] = int(code)
	}
	write(map[string]any{"id": id, "codes": numbers})
}

func userProperties(pairs [][2]string) paho.UserProperties {
	var user paho.UserProperties
	for _, pair := range pairs {
		user.Add(pair[0], pair[1])
	}
	return user
}

func dial(options connectOptions) (net.Conn, error) {
	address := fmt.Sprintf("%s:%d", options.Host, options.Port)
	switch options.Transport {
	case "tls":
		pem, err := os.ReadFile(options.CaFile)
		if err != nil {
			return nil, err
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(pem)
		conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: roots})
		if err != nil {
			return nil, err
		}
		return packets.NewThreadSafeConn(conn), nil
	case "ws":
		dialer := websocket.Dialer{Subprotocols: []string{"mqtt"}}
		ws, _, err := dialer.Dial("ws://"+address+"/mqtt", nil)
		if err != nil {
			return nil, err
		}
		return packets.NewThreadSafeConn(&webConn{Conn: ws}), nil
	default:
		return net.Dial("tcp", address)
	}
}

// webConn reads and writes MQTT as binary frames.
type webConn struct {
	*websocket.Conn
	reader io.Reader
}

func (c *webConn) Read(into []byte) (int, error) {
	for {
		if c.reader == nil {
			_, reader, err := c.NextReader()
			if err != nil {
				return 0, err
			}
			c.reader = reader
		}
		n, err := c.reader.Read(into)
		if err == io.EOF {
			c.reader = nil
			if n == 0 {
				continue
			}
			err = nil
		}
		return n, err
	}
}

func (c *webConn) Write(from []byte) (int, error) {
	return len(from), c.WriteMessage(websocket.BinaryMessage, from)
}

func (c *webConn) SetDeadline(at time.Time) error {
	if err := c.SetReadDeadline(at); err != nil {
		return err
	}
	return c.SetWriteDeadline(at)
}

func connect(c command) ([]byte, error) {
	options := c.Options
	conn, err := dial(options)
	if err != nil {
		return nil, err
	}
	var once sync.Once
	closed := func(code *byte) {
		once.Do(func() {
			line := map[string]any{"event": "closed", "connection": c.Connection}
			if code != nil {
				line["reasonCode"] = int(*code)
			}
			write(line)
		})
	}
	guard.Lock()
	remembered := sessions[options.ClientID]
	if remembered == nil || options.CleanStart {
		remembered = state.NewInMemory()
		sessions[options.ClientID] = remembered
	}
	guard.Unlock()
	client := paho.NewClient(paho.ClientConfig{
		Conn:    conn,
		Session: remembered,
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){
			func(received paho.PublishReceived) (bool, error) {
				message(c.Connection, received.Packet)
				return true, nil
			},
		},
		OnServerDisconnect: func(d *paho.Disconnect) { closed(&d.ReasonCode) },
		OnClientError:      func(error) { closed(nil) },
	})
	guard.Lock()
	connections[c.Connection] = &connection{client: client, conn: conn}
	guard.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	connack, err := client.Connect(ctx, connectPacket(options))
	if connack != nil && connack.ReasonCode != 0 {
		return []byte{connack.ReasonCode}, nil
	}
	if err != nil {
		return nil, err
	}
	described := map[string]any{"sessionPresent": connack.SessionPresent, "reasonCode": 0}
	if connack.Properties != nil && connack.Properties.AssignedClientID != "" {
		described["assignedClientId"] = connack.Properties.AssignedClientID
	}
	write(map[string]any{"event": "connected", "connection": c.Connection, "connack": described})
	return []byte{0}, nil
}

func connectPacket(options connectOptions) *paho.Connect {
	packet := &paho.Connect{
		ClientID:   options.ClientID,
		CleanStart: options.CleanStart,
		KeepAlive:  30,
		Properties: &paho.ConnectProperties{
			SessionExpiryInterval: options.SessionExpiry,
			ReceiveMaximum:        options.ReceiveMaximum,
			RequestProblemInfo:    true,
		},
	}
	if options.Username != nil {
		packet.UsernameFlag, packet.Username = true, *options.Username
	}
	if options.Password != nil {
		packet.PasswordFlag, packet.Password = true, []byte(*options.Password)
	}
	if will := options.Will; will != nil {
		packet.WillMessage = &paho.WillMessage{
			Topic: will.Topic, Payload: []byte(will.Payload), QoS: will.Qos, Retain: will.Retain,
		}
		packet.WillProperties = &paho.WillProperties{
			WillDelayInterval: &will.Delay,
			PayloadFormat:     will.Properties.PayloadFormat,
			MessageExpiry:     will.Properties.MessageExpiry,
			ContentType:       will.Properties.ContentType,
			ResponseTopic:     will.Properties.ResponseTopic,
			CorrelationData:   []byte(will.Properties.CorrelationData),
			User:              userProperties(will.Properties.UserProperties),
		}
	}
	return packet
}

func message(number int, packet *paho.Publish) {
	found := properties{}
	identifiers := []int{}
	if p := packet.Properties; p != nil {
		found.PayloadFormat, found.MessageExpiry = p.PayloadFormat, p.MessageExpiry
		found.ContentType, found.ResponseTopic = p.ContentType, p.ResponseTopic
		found.CorrelationData = string(p.CorrelationData)
		for _, pair := range p.User {
			found.UserProperties = append(found.UserProperties, [2]string{pair.Key, pair.Value})
		}
		if p.SubscriptionIdentifier != nil {
			identifiers = append(identifiers, *p.SubscriptionIdentifier)
		}
	}
	write(map[string]any{
		"event": "message", "connection": number, "topic": packet.Topic,
		"payload": base64.StdEncoding.EncodeToString(packet.Payload), "qos": packet.QoS, "retain": packet.Retain,
		"dup": packet.Duplicate(), "properties": found, "subscriptionIdentifiers": identifiers,
	})
}

func subscribe(ctx context.Context, client *paho.Client, c command) ([]byte, error) {
	packet := &paho.Subscribe{}
	if c.Identifier != nil {
		packet.Properties = &paho.SubscribeProperties{SubscriptionIdentifier: c.Identifier}
	}
	for _, each := range c.Filters {
		packet.Subscriptions = append(packet.Subscriptions, paho.SubscribeOptions{
			Topic: each.Filter, QoS: each.Qos, NoLocal: each.NoLocal,
			RetainAsPublished: each.RetainAsPublished, RetainHandling: each.RetainHandling,
		})
	}
	suback, err := client.Subscribe(ctx, packet)
	if suback != nil {
		return suback.Reasons, nil
	}
	return nil, err
}

func publish(ctx context.Context, client *paho.Client, p publication) ([]byte, error) {
	response, err := client.Publish(ctx, &paho.Publish{
		Topic: p.Topic, Payload: []byte(p.Payload), QoS: p.Qos, Retain: p.Retain,
		Properties: &paho.PublishProperties{
			PayloadFormat: p.Properties.PayloadFormat, ContentType: p.Properties.ContentType,
			ResponseTopic: p.Properties.ResponseTopic, CorrelationData: []byte(p.Properties.CorrelationData),
			MessageExpiry: p.Properties.MessageExpiry, TopicAlias: p.Properties.TopicAlias,
			User: userProperties(p.Properties.UserProperties),
		},
	})
	if response != nil {
		return []byte{response.ReasonCode}, nil
	}
	return []byte{0}, err
}

func run(c command) ([]byte, error) {
	if c.Op == "connect" {
		return connect(c)
	}
	guard.Lock()
	of := connections[c.Connection]
	guard.Unlock()
	if of == nil {
		return nil, fmt.Errorf("no connection %d", c.Connection)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	switch c.Op {
	case "subscribe":
		return subscribe(ctx, of.client, c)
	case "unsubscribe":
		_, err := of.client.Unsubscribe(ctx, &paho.Unsubscribe{Topics: []string{c.Filter}})
		return nil, err
	case "publish":
		return publish(ctx, of.client, c.Publication)
	case "cut":
		return nil, of.conn.Close()
	case "close":
		return nil, of.client.Disconnect(&paho.Disconnect{ReasonCode: 0})
	}
	return nil, fmt.Errorf("unknown command %q", c.Op)
}

func main() {
	lines := bufio.NewReaderSize(os.Stdin, 1<<20)
	// In order for each connection, side by side for different ones; a publish may wait for its acknowledgement.
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var c command
		if err := json.Unmarshal(line, &c); err != nil {
			panic(err)
		}
		go func() {
			codes, err := run(c)
			answer(c.ID, codes, err)
		}()
	}
}
