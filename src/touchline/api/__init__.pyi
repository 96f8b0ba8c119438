from touchline.api.features.online_values import OnlineValues as OnlineValues
from touchline.api.features.online_values import entity_keys as entity_keys
from touchline.api.features.online_values import read_online as read_online
