<#
.SYNOPSIS
Runs Redis Backup on Windows: in Docker Desktop where that is running, else in WSL.

.EXAMPLE
local\start.ps1 -EveryHours 6 -Keep 14
A backup every six hours, of which the last 14 are kept.

.EXAMPLE
local\start.ps1 -RedisUrl redis://:password@192.168.1.5:6379/0
Of your own Redis. WSL alone has a demo Redis, where none is named.

.EXAMPLE
local\start.ps1 -Stop
Stops what runs in Docker; all backups stay. What runs in WSL is stopped with Ctrl-C.
#>
[CmdletBinding()]
param(
    # A backup at least so often, in hours.
    [ValidateRange(1, 8760)][int]$EveryHours = 24,
    # How many of these are kept.
    [ValidateRange(1, 100000)][int]$Keep = 7,
    [ValidateSet('zstd', 'gzip', 'none')][string]$Compression = 'zstd',
    # The Redis to protect.
    [string]$RedisUrl = '',
    # The dashboard's.
    [ValidateRange(1, 65535)][int]$Port = 8000,
    [ValidateSet('auto', 'docker', 'wsl')][string]$With = 'auto',
    [switch]$Stop
)

$ErrorActionPreference = 'Stop'
$Root = Split-Path -Parent $PSScriptRoot
$EnvFile = Join-Path $Root '.env'

function Test-Docker {
    if (-not (Get-Command docker -ErrorAction SilentlyContinue)) { return $false }
    # It says on standard error what is wrong, which is no reason to stop here.
    $ErrorActionPreference = 'Continue'
    docker info *> $null
    if ($LASTEXITCODE -ne 0) { return $false }
    docker compose version *> $null
    return $LASTEXITCODE -eq 0
}

function Test-Wsl {
    if (-not (Get-Command wsl.exe -ErrorAction SilentlyContinue)) { return $false }
    $ErrorActionPreference = 'Continue'
    wsl.exe --exec true *> $null
    return $LASTEXITCODE -eq 0
}

function New-Secret {
    $bytes = New-Object byte[] 32
    $random = [System.Security.Cryptography.RandomNumberGenerator]::Create()
    $random.GetBytes($bytes)
    $random.Dispose()
    return -join ($bytes | ForEach-Object { $_.ToString('x2') })
}

# What .env says, by name; values may stand in single quotes there.
function Read-Settings {
    $settings = [ordered]@{}
    if (Test-Path $EnvFile) {
        foreach ($line in Get-Content $EnvFile) {
            if ($line -match '^\s*([A-Z][A-Z_0-9]*)=(.*)$') { $settings[$Matches[1]] = $Matches[2].Trim().Trim("'") }
        }
    }
    return $settings
}

# One line for each of these in .env; all others stay as they are. It is replaced at once, never half written.
function Set-Settings([hashtable]$Changes) {
    $lines = @()
    if (Test-Path $EnvFile) {
        $lines = @(Get-Content $EnvFile | Where-Object { -not ($_ -match '^\s*([A-Z][A-Z_0-9]*)=' -and $Changes.ContainsKey($Matches[1])) })
    }
    foreach ($name in ($Changes.Keys | Sort-Object)) { $lines += "$name='$($Changes[$name])'" }
    $new = "$EnvFile.new"
    [System.IO.File]::WriteAllLines($new, [string[]]$lines)
    Move-Item -Force $new $EnvFile
}

# Within a container this machine has another name.
function Get-SeenFromContainer([string]$Url) {
    return $Url -replace '(?<=//|@)(localhost|127\.0\.0\.1|\[::1\])(?=[:/]|$)', 'host.docker.internal'
}

function Start-InDocker {
    $known = Read-Settings
    $url = $RedisUrl
    if (-not $url) { $url = $known['REDIS_URL'] }
    if (-not $url) { $url = $env:REDIS_URL }
    if (-not $url) { $url = Read-Host 'The Redis to protect, such as redis://:password@192.168.1.5:6379/0' }
    if ($url -notmatch '^(rediss?|redis\+sentinel|unix)://') { throw 'That is no address of a Redis: it begins with redis:// or rediss://.' }
    if ($url.Contains("'")) { throw "The address has a ' in it: write it as %27." }
    $url = Get-SeenFromContainer $url
    $changes = @{
        REDIS_URL = $url
        # Dashboard and schedule are told no password.
        REDIS_ADDRESS = $url -replace '(?<=//)[^/@]*@', ''
        BACKUP_EVERY_HOURS = $EveryHours
        BACKUP_KEEP = $Keep
        BACKUP_COMPRESSION = $Compression
        PORT = $Port
    }
    foreach ($name in 'BROKER_PASSWORD', 'SESSION_SECRET') {
        if (-not $known[$name]) { $changes[$name] = New-Secret }
    }
    if (-not $known['ADMIN_PASSWORD'] -and -not $known['ADMIN_PASSWORD_HASH']) { $changes['ADMIN_PASSWORD'] = (New-Secret).Substring(0, 20) }
    Set-Settings $changes
    Write-Host 'Starting it in Docker (the first time the image is built, which takes some minutes) ...'
    docker compose --project-directory $Root up --detach --build --wait
    if ($LASTEXITCODE -ne 0) { throw "Docker could not start it: docker compose --project-directory ""$Root"" logs says why." }
    $password = (Read-Settings)['ADMIN_PASSWORD']
    Write-Host ''
    Write-Host "Dashboard: http://127.0.0.1:$Port"
    if ($password) { Write-Host "Password:  $password (kept in $EnvFile)" } else { Write-Host 'Password:  the one whose hash you have set' }
    Write-Host "A backup every $EveryHours hours, of which $Keep are kept."
    Write-Host 'It goes on in the background. To stop it: local\start.ps1 -Stop'
}

function Start-InWsl {
    wsl.exe --cd $Root --exec make --version *> $null
    if ($LASTEXITCODE -ne 0) { throw 'WSL has no make: run  wsl -u root apt install make python3-venv  and try again.' }
    $settings = @("BACKUP_EVERY_HOURS=$EveryHours", "BACKUP_KEEP=$Keep", "BACKUP_COMPRESSION=$Compression", "PORT=$Port")
    if ($RedisUrl) {
        # Not as an argument, which a list of processes would show.
        $env:REDIS_URL = $RedisUrl
        $env:WSLENV = 'REDIS_URL/u' + $(if ($env:WSLENV) { ":$env:WSLENV" })
    }
    Write-Host 'Starting it in WSL; it prints its address and password. Ctrl-C stops it.'
    wsl.exe --cd $Root --exec env $settings make run
    exit $LASTEXITCODE
}

try {
    if ($Stop) {
        if (-not (Test-Docker)) { throw 'Docker Desktop is not running, so nothing runs there. What runs in WSL is stopped with Ctrl-C.' }
        docker compose --project-directory $Root down
        exit $LASTEXITCODE
    }
    if ($With -ne 'wsl' -and (Test-Docker)) { Start-InDocker }
    elseif ($With -ne 'docker' -and (Test-Wsl)) { Start-InWsl }
    else { throw 'Neither Docker Desktop nor WSL answers. Start Docker Desktop, or install WSL:  wsl --install  (as administrator, once).' }
} catch {
    [Console]::Error.WriteLine("Error: $($_.Exception.Message)")
    exit 1
}
