<?php
// The round of calls with PHP and nothing but what it comes with: round.php URL [CA].
// The fake API holds what --seed demo makes. The round leaves it as it was.

declare(strict_types=1);

$sip = $argv[1] . '/config/v2/sip/domains';
$ca = $argv[2] ?? null;

/** Returns the status and the rows of an answer, or the text of an error. */
function call(string $method, string $path, ?array $form = null, string $key = 'siptest-api-key'): array
{
    global $sip, $ca;
    $http = ['method' => $method, 'header' => ["Authorization: ApiKey $key"], 'ignore_errors' => true, 'timeout' => 10];
    if ($form !== null) {
        $http['header'][] = 'Content-Type: application/x-www-form-urlencoded';
        $http['content'] = http_build_query($form);
    }
    $context = stream_context_create(['http' => $http, 'ssl' => $ca === null ? [] : ['cafile' => $ca]]);
    $answer = fopen($sip . $path, 'r', false, $context);
    if ($answer === false) {
        exit("PHP: $method $path has no answer\n");
    }
    $body = stream_get_contents($answer);
    $status = (int) explode(' ', stream_get_meta_data($answer)['wrapper_data'][0])[1];
    if ($status >= 400) {
        return [$status, $body];
    }
    $lines = array_filter(explode("\n", $body));
    return [$status, array_map(fn ($line) => json_decode($line, true, 16, JSON_THROW_ON_ERROR), $lines)];
}

function want(mixed $got, mixed $wanted, string $what): void
{
    if ($got !== $wanted) {
        echo "PHP: $what: got ", var_export($got, true), ', want ', var_export($wanted, true), "\n";
        exit(1);
    }
}

[$status, $rows] = call('GET', '/1/users');
want([$status, count($rows)], [200, 5], 'the list');

$form = ['user' => 'pierre.php', 'password' => 'not-a-secret', 'displayName' => 'Pierre', 'extensionNumber' => '292'];
[$status, $rows] = call('POST', '/1/users', $form);
want($status, 201, 'the create');
$user = '/1/users/' . $rows[0]['userId'];

[$status, $rows] = call('GET', $user);
want([$status, $rows[0]['user'], $rows[0]['extensionNumber']], [200, 'pierre.php', '292'], 'the read');

want(call('POST', $user, ['displayName' => 'Père & fils']), [204, []], 'the update');
want(call('GET', $user)[1][0]['displayName'], 'Père & fils', 'the new name');
want(call('POST', '/1/users', $form)[0], 409, 'the name that is in use');

want(call('POST', "$user/groups", ['groupSpec' => ['1', '2']])[0], 204, 'the groups');
want(array_column(call('GET', "$user/groups")[1], 'groupName'), ['sales', 'support'], 'the groups of the user');

want(call('DELETE', $user), [204, []], 'the delete');
want(call('GET', $user)[0], 404, 'the read of what is deleted');
want(call('GET', '/1/users', null, 'wrong')[0], 401, 'the wrong key');

$ids = [];
do {
    $query = http_build_query(['limit' => 2, 'offset' => count($ids), 'sort' => ['pbxDeviceId-asc']]);
    [$status, $rows] = call('GET', "/1/devices?$query");
    want($status, 200, 'the page');
    $ids = [...$ids, ...array_column($rows, 'pbxDeviceId')];
} while ($rows !== []);
want($ids, ['1', '2', '3', '4', '5'], 'the devices of all pages');
echo "PHP: all is well\n";
