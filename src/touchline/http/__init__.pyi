from touchline.http.api_keys import ApiKey as ApiKey
from touchline.http.api_keys import Caller as Caller
from touchline.http.api_keys import Role as Role
from touchline.http.api_keys import list_keys as list_keys
from touchline.http.api_keys import make_key as make_key
from touchline.http.api_keys import require_key as require_key
from touchline.http.api_keys import revoke_key as revoke_key
